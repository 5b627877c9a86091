/* A formula in a line of text cannot be broken. Where it is wider than its line (a phone), let it scroll by itself.
   What scrolls has to be reachable with the keyboard, displayed formulas as well. */
(() => {
  const reachable = (formula, wide) => wide ? formula.setAttribute("tabindex", "0") : formula.removeAttribute("tabindex");
  const fit = () => {
    document.querySelectorAll("article div.math > mjx-container").forEach(formula => reachable(formula, formula.scrollWidth > formula.clientWidth));
    document.querySelectorAll("article span.math mjx-container").forEach(fitInLine);
  };
  const fitInLine = formula => {
    formula.classList.remove("wide");
    const line = formula.closest("p, li, dd, td, th, figcaption, summary");
    const wide = line && formula.getBoundingClientRect().right > line.getBoundingClientRect().right + 1;
    formula.classList.toggle("wide", Boolean(wide));
    reachable(formula, wide);
  };
  document.addEventListener("DOMContentLoaded", () => {
    fit();
    document.addEventListener("toggle", fit, true);   // answers that open have no width before
    window.addEventListener("resize", () => requestAnimationFrame(fit));
  });
})();
