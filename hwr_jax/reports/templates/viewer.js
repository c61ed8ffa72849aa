"use strict";
(() => {
  const outlines = [...document.querySelectorAll(".outline")];
  const lines = [...document.querySelectorAll(".line")].sort((a, b) => a.dataset.line - b.dataset.line);
  const uncertain = [...document.querySelectorAll(".word[class*=doubt]")];
  const box = document.getElementById("word");
  const scan = document.querySelector(".scan");
  const text = document.querySelector(".text");
  let current = -1;
  let word = null;

  // Scrolls one of the two halves, and never the page.
  const reveal = (half, element) => {
    const inside = element.getBoundingClientRect();
    const frame = half.getBoundingClientRect();
    if (inside.top < frame.top + 8 || inside.bottom > frame.bottom - 8) {
      half.scrollTop += (inside.top + inside.bottom - frame.top - frame.bottom) / 2;
    }
  };
  const chooseWord = (chosen) => {
    if (word) word.classList.remove("current");
    word = chosen;
    const sides = word && word.dataset.box ? word.dataset.box.split(" ").map(Number) : null;
    box.setAttribute("visibility", sides ? "visible" : "hidden");
    if (word) word.classList.add("current");
    if (sides) {
      const [left, top, right, bottom] = sides;
      for (const [name, value] of Object.entries({ x: left, y: top, width: right - left, height: bottom - top })) {
        box.setAttribute(name, value);
      }
    }
  };
  const chooseLine = (number, chosen = null) => {
    if (number < 0 || number >= lines.length) return;
    for (const list of [outlines, lines]) {
      if (list[current]) list[current].classList.remove("current");
      list[number].classList.add("current");
    }
    current = number;
    chooseWord(chosen);
    reveal(scan, outlines[number]);
    reveal(text, lines[number]);
  };
  const lineOf = (element) => Number(element.closest("[data-line]").dataset.line);

  outlines.forEach((outline, number) => outline.addEventListener("click", () => chooseLine(number)));
  for (const line of lines) {
    line.addEventListener("click", (event) => chooseLine(lineOf(line), event.target.closest(".word")));
  }
  const nextUncertain = (step) => {
    const at = uncertain.indexOf(word);
    const ahead = uncertain.find((one) => lineOf(one) >= current);
    const behind = uncertain.filter((one) => lineOf(one) <= current).pop();
    const next = at >= 0 ? uncertain[at + step] : step > 0 ? ahead : behind;
    if (next) chooseLine(lineOf(next), next);
  };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowDown") chooseLine(Math.min(current + 1, lines.length - 1));
    else if (event.key === "ArrowUp") chooseLine(Math.max(current - 1, 0));
    else if (event.key === "n") nextUncertain(1);
    else if (event.key === "p") nextUncertain(-1);
    else if (event.key === "Escape") chooseWord(null);
    else return;
    event.preventDefault();
  });
})();
