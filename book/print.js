/* Puts the articles of the site's pages into one document for print: unique ids, links inside, answers open. */
async ({pages, title}) => {
  const key = (page, id) => `${page.replaceAll("/", "-")}--${id}`;
  const articles = [];
  for (const page of pages) {
    const answer = await fetch(`/${page}.html`);
    if (!answer.ok) throw new Error(`${page} is not in the site: build it first`);
    const other = new DOMParser().parseFromString(await answer.text(), "text/html");
    const article = other.querySelector("article.bd-article");
    article.querySelectorAll("a.headerlink, button, script, details.hide, .prev-next-area").forEach(node => node.remove());
    for (const node of [...article.querySelectorAll("*")])   // widgets give way to what they say without a script
      if (node.localName.includes("-") && !node.localName.startsWith("mjx-")) node.replaceWith(...node.childNodes);
    article.querySelectorAll("details").forEach(node => { node.open = true; });
    article.querySelectorAll("[hidden]").forEach(node => node.remove());
    for (const node of article.querySelectorAll("[id]")) node.id = key(page, node.id);
    for (const node of article.querySelectorAll("svg *")) for (const {name, value} of [...node.attributes]) {
      const own = name.endsWith("href") && value.startsWith("#") ? `#${key(page, value.slice(1))}`
        : value.replace(/url\(#([^)]+)\)/g, (_, id) => `url(#${key(page, id)})`);
      if (own !== value) node.setAttribute(name, own);
    }
    for (const node of article.querySelectorAll("[src]")) node.src = new URL(node.getAttribute("src"), answer.url).href;
    for (const link of article.querySelectorAll("a[href]")) {
      const target = new URL(link.getAttribute("href"), answer.url);
      if (target.origin !== location.origin) continue;
      const to = target.pathname.slice(1).replace(/\.html$/, "");
      if (!pages.includes(to)) link.removeAttribute("href");   // what is not in the PDF is no link in it
      else link.setAttribute("href", `#${target.hash ? key(to, decodeURIComponent(target.hash.slice(1))) : key(to, "page")}`);
    }
    article.id = key(page, "page");
    articles.push(article);
  }
  const heads = articles.map(article => article.querySelector("h1").textContent.trim());
  document.title = title;
  document.body.className = "printed";
  const front = document.createElement("section");
  front.className = "title-page";
  front.innerHTML = "<h1></h1><p>A course from Markov decision processes to language-model agents</p>";
  front.querySelector("h1").textContent = title;
  const contents = document.createElement("nav");
  contents.className = "book-contents";
  contents.innerHTML = "<p class='contents-title'>Contents</p>";
  heads.forEach((head, number) => {
    const line = document.createElement("a");
    line.href = `#${articles[number].id}`;
    line.innerHTML = "<span class='head'></span><span class='number'></span>";
    line.firstChild.textContent = head;
    contents.append(line);
  });
  const inside = document.createElement("div");
  inside.className = "bd-content";
  inside.append(front, contents, ...articles);
  document.body.replaceChildren(inside);
  for (const formula of document.querySelectorAll("div.math mjx-container")) {
    const room = formula.parentElement.clientWidth, width = formula.querySelector("mjx-math").getBoundingClientRect().width;
    if (width > room) formula.style.fontSize = `${Math.floor(100 * room / width)}%`;
  }
  window.fillIn = numbers => document.querySelectorAll("nav.book-contents .number").forEach((node, k) => {
    node.textContent = numbers[k] ?? "";
  });
}
