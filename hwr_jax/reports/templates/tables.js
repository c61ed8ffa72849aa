// Tables of the class "sorted": the button of a column's name sorts by it, and a field above a long table finds rows.
"use strict";
{
  const LONG = 8; // rows from which on a field is worth its place
  const ABSENT = /^-?$/;

  const prepare = (table) => {
    const [head, ...rows] = table.rows;
    const groups = []; // a row with those that belong to it, such as the message below a run
    for (const row of rows) {
      if (row.classList.contains("more")) groups.at(-1).push(row);
      else groups.push([row]);
    }
    if (groups.length < 2) return;
    [...head.cells].forEach((cell, column) => makeSortable(table, cell, column, groups));
    if (groups.length > LONG) addField(table, groups);
  };

  // What a cell says without the small print below it.
  const textOf = (cell) => {
    const copy = cell.cloneNode(true);
    copy.querySelectorAll("small").forEach((small) => small.remove());
    return copy.textContent.trim();
  };

  const makeSortable = (table, cell, column, groups) => {
    if (!cell.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...cell.childNodes);
    cell.append(button);
    button.addEventListener("click", () => {
      const falls = cell.getAttribute("aria-sort") === "ascending";
      for (const other of cell.parentNode.cells) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", falls ? "descending" : "ascending");
      sort(groups, column, falls ? -1 : 1);
      table.tBodies[0].append(...groups.flat());
    });
  };

  // What is absent stays last in both directions; equal rows keep their order.
  const sort = (groups, column, direction) => {
    const keys = new Map(groups.map((group) => [group, textOf(group[0].cells[column])]));
    const known = [...keys.values()].filter((text) => !ABSENT.test(text));
    const numberOf = (text) => parseFloat(text.replaceAll(",", ""));
    const numbers = known.every((text) => !Number.isNaN(numberOf(text)));
    groups.sort((a, b) => {
      const [x, y] = [keys.get(a), keys.get(b)];
      const [noX, noY] = [ABSENT.test(x), ABSENT.test(y)];
      if (noX || noY) return noX - noY;
      return direction * (numbers ? numberOf(x) - numberOf(y) : x.localeCompare(y, "en", { numeric: true }));
    });
  };

  const addField = (table, groups) => {
    const bar = document.createElement("p");
    const label = document.createElement("label");
    const field = document.createElement("input");
    const count = document.createElement("output");
    bar.className = "find";
    field.type = "search";
    field.placeholder = "words that a row has";
    label.append(`Find in ${table.dataset.name} `, field);
    count.setAttribute("aria-live", "polite");
    bar.append(label, count);
    table.parentNode.before(bar);
    const texts = new Map(groups.map((group) => [group, textOfAll(group)]));
    const show = () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const group of groups) {
        const fits = words.every((word) => texts.get(group).includes(word));
        group.forEach((row) => { row.hidden = !fits; });
        shown += fits;
      }
      count.textContent = words.length ? `${shown} of ${groups.length}` : `${groups.length} rows`;
    };
    field.addEventListener("input", show);
    show();
  };

  const textOfAll = (group) =>
    group.flatMap((row) => [...row.cells].map((cell) => cell.textContent.trim())).join(" ").toLowerCase();

  document.querySelectorAll("table.sorted").forEach(prepare);
}
