// Sets dark or light before anything is drawn; without a choice the system's is taken.
"use strict";
{
  const chosen = localStorage.getItem("theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
}
