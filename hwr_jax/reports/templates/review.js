"use strict";
(() => {
  const items = [...document.querySelectorAll(".item")];
  const fieldOf = (item) => item.querySelector("input.text");
  const shown = () => items.filter((item) => item.offsetParent !== null);
  const count = () => {
    const checked = items.filter((item) => item.classList.contains("checked")).length;
    document.getElementById("done").textContent = `${checked} checked`;
  };
  const go = (item, step) => {
    const list = shown();
    const next = list[list.indexOf(item) + step];
    if (next) {
      fieldOf(next).focus();
      next.scrollIntoView({ block: "center" });
    }
  };
  for (const item of items) {
    const field = fieldOf(item);
    field.addEventListener("input", () => item.classList.toggle("changed", field.value !== field.dataset.read));
    const put = (text) => {
      field.value = text;
      field.dispatchEvent(new Event("input"));
    };
    const others = [...item.querySelectorAll(".others button")];
    for (const button of others) {
      button.addEventListener("click", () => {
        put(button.dataset.text);
        field.focus();
      });
    }
    field.addEventListener("keydown", (event) => {
      const other = event.altKey && /^Digit[1-9]$/.test(event.code) ? others[event.code.slice(5) - 1] : undefined;
      if (event.key === "Enter" && !event.isComposing) {
        item.classList.add("checked");
        count();
        go(item, 1);
      } else if (event.key === "ArrowDown") go(item, 1);
      else if (event.key === "ArrowUp") go(item, -1);
      else if (event.key === "Escape") {
        put(field.dataset.read);
        item.classList.remove("checked");
        count();
      } else if (other) put(other.dataset.text);
      else return;
      event.preventDefault();
    });
  }
  const box = document.getElementById("show-accepted");
  if (box) box.addEventListener("change", () => document.body.classList.toggle("with-accepted", box.checked));
  document.getElementById("save").addEventListener("click", () => {
    const cell = (text) => `"${text.replaceAll('"', '""')}"`;
    const rows = items
      .filter((item) => item.classList.contains("checked"))
      .map((item) => [item.dataset.name, fieldOf(item).value].map(cell).join(","));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([["path,text", ...rows, ""].join("\r\n")], { type: "text/csv" }));
    link.download = "checked.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  const first = shown()[0];
  if (first) fieldOf(first).focus({ preventScroll: true });
})();
