// The name of a button or summary that a screen reader says is the one that is shown;
// and what scrolls sideways can be reached from the keyboard.
document.addEventListener("DOMContentLoaded", () => {
  const named = ".search-button-field, .theme-switch-button, summary[aria-label]";
  document.querySelectorAll(named).forEach((element) => {
    if (element.tagName === "BUTTON" && !element.title) {
      element.title = element.getAttribute("aria-label");
    }
    element.removeAttribute("aria-label");
  });
  const wide = "pre, .pst-scrollable-table-container, .cell_output .text_html";
  document.querySelectorAll(wide).forEach((element) => {
    if (element.scrollWidth > element.clientWidth) {
      element.tabIndex = 0;
    }
  });
});
