// Tables are sorted by a click on a heading. Without it they read the same, in the order of trouble.
const UNITS = {
  ns: 1, "µs": 1e3, ms: 1e6, s: 1e9,
  bytes: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30, TB: 2 ** 40,
};

// What a cell counts: "1,204", "9.13 ms", "16.2 MB of 128 MB". NaN where it is words.
function figure(text) {
  const found = /^(-?\d[\d,]*(?:\.\d+)?)(?:\s+(\S+))?/.exec(text.trim());
  return found ? Number(found[1].replaceAll(",", "")) * (UNITS[found[2]] ?? 1) : NaN;
}

// Figures before words, words by the alphabet; what is empty comes last either way.
function compare(a, b, descending) {
  const [one, other] = [figure(a), figure(b)];
  const rank = (text, value) => (Number.isNaN(value) ? (text.trim() === "" || text.trim() === "-" ? 2 : 1) : 0);
  const ranks = rank(a, one) - rank(b, other);
  if (ranks !== 0) {
    return ranks;
  }
  const order = Number.isNaN(one) ? a.localeCompare(b) : one - other;
  return descending ? -order : order;
}

function sort(table, column, header) {
  const before = header.getAttribute("aria-sort");
  const rows = [...table.tBodies[0].rows].filter(row => row.cells[0].tagName === "TD");
  const words = rows.every(row => Number.isNaN(figure(row.cells[column].textContent)));
  const descending = before ? before === "ascending" : !words;
  table.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
  rows.sort((a, b) => compare(a.cells[column].textContent, b.cells[column].textContent, descending));
  table.tBodies[0].append(...rows);
}

function makeSortable(table) {
  [...table.rows[0].cells].forEach((header, column) => {
    if (header.textContent === "" || header.className === "picture") {
      return;
    }
    const button = document.createElement("button");
    button.textContent = header.textContent;
    button.addEventListener("click", () => sort(table, column, header));
    header.replaceChildren(button);
  });
}
document.querySelectorAll("table.sorts").forEach(makeSortable);
