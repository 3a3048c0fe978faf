"""Pictures of architectures."""

import json
import re
import xml.etree.ElementTree as ET

from nasbase.report.cells import draw

SVG = "{http://www.w3.org/2000/svg}"


def parsed(text):
    return [ET.fromstring(piece) for piece in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]


def texts(picture):
    return [element.text for element in picture.iter(f"{SVG}text")]


def arrows(picture):
    return [p for p in picture.iter(f"{SVG}path") if p.get("marker-end")]


def inside(picture):
    """Every text and box lies within the picture."""
    _, _, width, height = map(float, picture.get("viewBox").split())
    for element in picture.iter(f"{SVG}text"):
        length = 6.1 * len(element.text)
        x = float(element.get("x"))
        left = {"middle": x - length / 2, "end": x - length}.get(element.get("text-anchor"), x)
        assert -2 <= left <= left + length <= width + 2, element.text
        assert 0 < float(element.get("y")) < height
    for element in picture.iter(f"{SVG}rect"):
        assert float(element.get("x")) + float(element.get("width")) <= width
        assert float(element.get("y")) + float(element.get("height")) <= height
    return True


def test_a_cell_of_nb101():
    operations = "input,conv3x3-bn-relu,maxpool3x3,conv1x1-bn-relu,output"
    adjacency = "0110000010000110000100000"
    edges = sum(adjacency[i * 5 + j] == "1" for i in range(5) for j in range(i + 1, 5))
    (picture,) = parsed(draw("nb101", {"operations": operations, "adjacency": adjacency}))
    assert texts(picture)[1:] == operations.split(",")
    assert len(arrows(picture)) == edges == 6
    assert inside(picture)


def test_a_cell_of_the_topology_space():
    ops = {
        "op_0_1": "none",
        "op_0_2": "nor_conv_3x3",
        "op_1_2": "skip_connect",
        "op_0_3": "avg_pool_3x3",
        "op_1_3": "nor_conv_1x1",
        "op_2_3": "nor_conv_3x3",
    }
    (picture,) = parsed(draw("nats_tss", ops))
    assert sorted(set(texts(picture)) & set(ops.values())) == sorted(set(ops.values()))
    assert len(arrows(picture)) == 6
    assert sum(bool(p.get("stroke-dasharray")) for p in arrows(picture)) == 1
    assert inside(picture)


def test_channels():
    channels = dict(zip(("c0", "c1", "c2", "c3", "c4"), (8, 16, 64, 24, 32), strict=True))
    (picture,) = parsed(draw("nats_sss", channels))
    widths = [float(r.get("width")) for r in picture.iter(f"{SVG}rect")]
    assert widths == [220 * c / 64 for c in channels.values()]
    assert texts(picture)[1:] == ["8", "16", "64", "24", "32"]
    assert inside(picture)


def test_cells_of_nds():
    cell = {}
    for kind in ("normal", "reduce"):
        for block in range(5):
            cell |= {
                f"{kind}_{block}_op_x": "sep_conv_3x3",
                f"{kind}_{block}_op_y": "dil_sep_conv_5x5",
                f"{kind}_{block}_input_x": 0,
                f"{kind}_{block}_input_y": block + 1,
            }
        cell[f"{kind}_concat"] = [2, 6]
    row = {"model_spec": json.dumps({"width": 32}), "cell_spec": json.dumps(cell)}
    pictures = parsed(draw("nds", row))
    assert len(pictures) == 2
    for picture in pictures:
        assert len(arrows(picture)) == 5 * 2 + 2
        assert inside(picture)
        hints = [e.text for e in picture.iter(f"{SVG}title")]
        assert hints.count("sep_conv_3x3") == hints.count("dil_sep_conv_5x5") == 5


def test_stages_of_nds():
    spec = {"ds": [1, 2, 16], "ws": [16, 64, 256], "ss": [1, 2, 2], "num_gs": [1, 2, 4]}
    (picture,) = parsed(draw("nds", {"model_spec": json.dumps(spec), "cell_spec": "{}"}))
    assert texts(picture)[1:] == ["1 x 16, 1 groups", "2 x 64, 2 groups", "16 x 256, 4 groups"]
    assert inside(picture)
