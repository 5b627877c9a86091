"""Where a reader can work on an assignment without setting anything up: the links in a chapter's header.

Colab and Binder open notebooks of public GitHub repositories. So there are links to them if the site's address,
`html: baseurl` in _config.yml, is one of GitHub Pages: Colab gets the released notebook from the branch that holds the
published site, Binder makes its own from the main branch (see .binder/).
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit

SITE_BRANCH, MAIN_BRANCH = "gh-pages", "main"
GUIDE = "guide/student.html#run-it-elsewhere"


def repository_of(site: str) -> str | None:
    """Return ``OWNER/NAME`` of the repository whose pages stand at an address of GitHub Pages, else None."""
    parts = urlsplit(site or "")
    owner, _, host = (parts.hostname or "").partition(".")
    if host != "github.io":
        return None
    # The site of a repository lies in a folder of its name; that of OWNER.github.io at the root.
    return f"{owner}/{parts.path.strip('/').split('/')[0] or f'{owner}.github.io'}"


def run_elsewhere(site: str, assignment: str, up: str) -> str:
    """Return the links as HTML; *up* leads from the page to the site's root."""
    links = {f"{up}{GUIDE}": "container or zip"}
    repository, notebook = repository_of(site), f"exercises/{assignment}/{assignment}.ipynb"
    if repository:
        file = quote(f"lab/tree/book/{notebook}", safe="")
        links = {
            f"https://colab.research.google.com/github/{repository}/blob/{SITE_BRANCH}/{notebook}": "Colab",
            f"https://mybinder.org/v2/gh/{repository}/{MAIN_BRANCH}?urlpath={file}": "Binder",
            **links,
        }
    return ", ".join(f'<a href="{address}">{name}</a>' for address, name in links.items())
