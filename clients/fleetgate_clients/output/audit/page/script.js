"use strict";
// Sorting and filtering for those who have JavaScript: without it the page shows everything, in the report's order.
(() => {
  const collator = new Intl.Collator("en", { numeric: true });
  const key = (row, column) => row.cells[column].dataset.sort ?? row.cells[column].textContent;

  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const descending = heading.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
        const body = table.tBodies[0];
        const rows = [...body.rows].map((row) => [key(row, column), row]);
        rows.sort(([left], [right]) => (descending ? collator.compare(right, left) : collator.compare(left, right)));
        body.append(...rows.map(([, row]) => row));
      });
    });
  }

  const filters = document.querySelector(".filters");
  const table = document.querySelector("#violations");
  if (!filters || !table) return;
  const [text, cluster, action] = ["text", "cluster", "action"].map((name) => filters.elements.namedItem(name));
  const status = document.querySelector("#shown");
  const rows = [...table.tBodies[0].rows].map((row) => ({
    row,
    text: row.textContent.toLowerCase(),
    cluster: row.dataset.cluster,
    constraint: row.dataset.constraint,
    action: row.dataset.action,
  }));
  let constraint = "";

  const apply = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const entry of rows) {
      const fits =
        (!cluster.value || entry.cluster === cluster.value) &&
        (!action.value || entry.action === action.value) &&
        (!constraint || entry.constraint === constraint) &&
        words.every((word) => entry.text.includes(word));
      entry.row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    status.textContent = `${shown} of ${rows.length} violations` + (constraint ? ` of ${constraint}` : "");
  };

  filters.hidden = false;
  filters.addEventListener("input", apply);
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("reset", () => {
    constraint = "";
    setTimeout(apply);
  });
  for (const link of document.querySelectorAll(".heat td a")) {
    link.addEventListener("click", () => {
      cluster.value = link.dataset.cluster;
      constraint = link.dataset.constraint;
      action.value = text.value = "";
      apply();
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.closest("input, select")) {
      event.preventDefault();
      text.focus();
    }
  });
  apply();
})();
