"use strict";
// Draws every figure of the page. The numbers of a figure are stored column by column, which is a
// third of the size of rows; `drawn` tells a test (or a reader's console) when all is done.
const figures = JSON.parse(document.getElementById("figures").textContent);

function rowsOf(columns) {
  const names = Object.keys(columns);
  const unpacked = names.map((name) => {
    const column = columns[name];
    return column.words ? column.codes.map((code) => column.words[code]) : column;
  });
  return Array.from(unpacked[0] ?? [], (_, i) =>
    Object.fromEntries(names.map((name, n) => [name, unpacked[n][i]])));
}

async function draw(chart) {
  const { spec, data } = figures[chart.id];
  spec.datasets = Object.fromEntries(
    Object.entries(data).map(([name, columns]) => [name, rowsOf(columns)]));
  // Views below each other cannot take the width of their container: they are told it.
  for (const view of spec.vconcat ?? []) view.width = Math.max(chart.clientWidth - 80, 200);
  const actions = { export: true, source: false, compiled: false, editor: false };
  await vegaEmbed(chart, spec, { renderer: "canvas", actions });
  chart.dataset.drawn = "yes";
}

window.drawn = Promise.all(Array.from(document.querySelectorAll(".chart"), draw));
