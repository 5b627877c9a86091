/* What is wider than its box scrolls: a shade says on which side there is more, and the keyboard can reach it.
   A formula in a line of text cannot be broken; where it is wider than its line (a phone), it gets a box of its own. */
(() => {
  const BOXES = "article :is(pre, div.pst-scrollable-table-container, div.math > mjx-container, mjx-container.wide)";
  const all = selector => [...document.querySelectorAll(selector)];
  const inLine = formula => formula.closest("p, li, dd, td, th, figcaption, summary");
  const shade = box => {
    const left = box.scrollLeft, more = box.scrollWidth - box.clientWidth;
    return () => {
      box.classList.toggle("more-left", left > 1);
      box.classList.toggle("more-right", more - left > 1);
      if (box.matches("mjx-container")) more > 0 ? box.setAttribute("tabindex", "0") : box.removeAttribute("tabindex");
    };
  };
  const fit = () => {
    const formulas = all("article span.math mjx-container");
    formulas.forEach(formula => formula.classList.remove("wide", "more-left", "more-right"));
    const wide = formulas.filter(formula => inLine(formula) && formula.getBoundingClientRect().right > inLine(formula).getBoundingClientRect().right + 1);
    formulas.forEach(formula => formula.removeAttribute("tabindex"));
    wide.forEach(formula => formula.classList.add("wide"));
    all(BOXES).map(shade).forEach(draw => draw());   // measured first, so that the page is laid out once
  };
  document.addEventListener("DOMContentLoaded", () => {
    fit();
    document.addEventListener("toggle", fit, true);   // answers that open have no width before
    document.addEventListener("change", event => event.target.matches(".sd-tab-set > input") && fit());   // nor have tabs
    document.addEventListener("scroll", event => event.target.matches?.(BOXES) && shade(event.target)(), true);
    window.addEventListener("resize", () => requestAnimationFrame(fit));
  });
})();
