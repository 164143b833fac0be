// Sorting by a click or a key on a heading; a second one turns the order round. Rows without a figure stay last.

const sortable = (table) => {
  const headings = [...table.tHead.rows[0].cells];
  const original = [...table.tBodies[0].rows];
  const keyOf = (row, place) => {
    const { sort, text } = row.cells[place].dataset;
    if (sort === undefined) return text ?? row.cells[place].textContent.trim();
    return sort === "" ? null : Number(sort);
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en"));

  headings.forEach((heading, place) => {
    heading.querySelector("button")?.addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const keyed = original.map((row) => [row, keyOf(row, place)]);
      const known = keyed.filter(([, key]) => key !== null).sort(([, a], [, b]) => (descending ? compare(b, a) : compare(a, b)));
      const unknown = keyed.filter(([, key]) => key === null);
      table.tBodies[0].append(...[...known, ...unknown].map(([row]) => row));
    });
  });
};
