/* A formula in a line of text cannot be broken. Where it is wider than its line (a phone), let it scroll by itself. */
(() => {
  const fit = () => document.querySelectorAll("article span.math mjx-container").forEach(formula => {
    formula.classList.remove("wide");
    const line = formula.closest("p, li, dd, td, th, figcaption, summary");
    const wide = line && formula.getBoundingClientRect().right > line.getBoundingClientRect().right + 1;
    formula.classList.toggle("wide", Boolean(wide));
    wide ? formula.setAttribute("tabindex", "0") : formula.removeAttribute("tabindex");
  });
  document.addEventListener("DOMContentLoaded", () => {
    fit();
    document.addEventListener("toggle", fit, true);   // answers that open have no width before
    window.addEventListener("resize", () => requestAnimationFrame(fit));
  });
})();
