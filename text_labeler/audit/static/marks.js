// The words behind a label: `r`, or a click on them, says which rule marked them.

function listMarks() {
  const within = document.querySelector("dialog[open]") ?? document.getElementById("screen");
  return [...(within?.querySelectorAll(".report mark") ?? [])];
}

function tell(mark) {
  for (const other of document.querySelectorAll("mark[data-told]")) delete other.dataset.told;
  mark.dataset.told = "yes";
  mark.scrollIntoView({ block: "nearest" });
  const line = mark.closest(".report").parentElement.querySelector(".rule");
  if (line) line.textContent = `“${mark.textContent}” — ${mark.title}`;
}

export function tellNextMark() {
  const marks = listMarks();
  const before = marks.findIndex((mark) => mark.dataset.told);
  if (marks.length) tell(marks[(before + 1) % marks.length]);
}

document.addEventListener("click", (event) => {
  const mark = event.target.closest?.(".report mark");
  if (mark) tell(mark);
});
