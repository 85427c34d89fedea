// Headings sort, the search hides classes, a number shows where it comes from. Without it the page still reads whole.

for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells], body = table.tBodies[0], original = [...body.rows];
  const key = (row, column) => {
    const cell = row.cells[column], number = parseFloat(cell.dataset.value ?? cell.innerText);
    return Number.isNaN(number) ? cell.innerText : number;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b
      : typeof a === "number" ? -1 : typeof b === "number" ? 1 : a.localeCompare(b);
  headings.forEach((heading, column) => heading.firstElementChild.addEventListener("click", () => {
    // The better end first, then the other, then as it was.
    const better = heading.innerText.includes("↑") ? "descending" : "ascending";
    const other = better === "ascending" ? "descending" : "ascending";
    const order = { [better]: other, [other]: null }[heading.ariaSort] ?? (heading.ariaSort ? null : better);
    headings.forEach((each) => each.removeAttribute("aria-sort"));
    const rows = [...original];
    if (order) {
      heading.ariaSort = order;
      const sign = order === "ascending" ? 1 : -1;
      const [numbers, rest] = [[], []];
      for (const row of rows) (typeof key(row, column) === "number" || column === 0 ? numbers : rest).push(row);
      numbers.sort((a, b) => sign * compare(key(a, column), key(b, column)));
      rows.splice(0, rows.length, ...numbers, ...rest);  // what has no number stays last
    }
    body.append(...rows);
  }));
}

const search = document.getElementById("search");
search?.addEventListener("input", () => {
  const wanted = search.value.trim().toLowerCase();
  let count = 0;
  for (const row of document.getElementById("by-class").tBodies[0].rows) {
    row.hidden = !row.cells[0].innerText.toLowerCase().includes(wanted);
    count += !row.hidden;
  }
  document.getElementById("found").innerText = wanted ? `${count} found` : "";
});

const dialog = document.getElementById("origin");
for (const link of document.querySelectorAll("a[data-row]")) {
  const told = link.title;
  link.addEventListener("click", (event) => {
    event.preventDefault();
    dialog.querySelector("h2").innerText = `${link.closest("tr").cells[0].innerText}: ${link.innerText}`;
    dialog.querySelector("pre").innerText = told;
    dialog.querySelector("p a").href = link.getAttribute("href");
    dialog.showModal();
  });
}
dialog.querySelector("p a").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
