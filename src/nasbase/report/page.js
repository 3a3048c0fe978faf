"use strict";
// Buttons copy the text beside them. Where the clipboard is closed to pages from disk, the text is
// selected, so that the reader's own shortcut copies it.
for (const button of document.querySelectorAll(".copy button")) {
  button.addEventListener("click", async () => {
    const code = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = "selected";
    }
  });
}
