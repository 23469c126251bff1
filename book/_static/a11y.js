// The name of a button or summary that a screen reader says is the one that is shown;
// one that shows a sign alone is named after the link beside it. What scrolls sideways
// can be reached from the keyboard. The arguments of a signature are a list.
document.addEventListener("DOMContentLoaded", () => {
  const named = ".search-button-field, .theme-switch-button, summary[aria-label]";
  document.querySelectorAll(named).forEach((element) => {
    if (element.tagName === "BUTTON" && !element.title) {
      element.title = element.getAttribute("aria-label");
    }
    element.removeAttribute("aria-label");
  });
  document.querySelectorAll("nav summary").forEach((element) => {
    const link = element.closest("li")?.querySelector("a");
    if (link && !element.textContent.trim()) {
      element.setAttribute("aria-label", `Pages below ${link.textContent.trim()}`);
    }
  });
  document.querySelectorAll("dt.sig dl").forEach((list) => {
    list.setAttribute("role", "list");
    [...list.children].forEach((item) => item.setAttribute("role", "listitem"));
  });
  const wide = "pre, .pst-scrollable-table-container, .cell_output .text_html";
  document.querySelectorAll(wide).forEach((element) => {
    if (element.scrollWidth > element.clientWidth) {
      element.tabIndex = 0;
    }
  });
});
