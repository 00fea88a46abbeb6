// What the form beside the run view lacks for a keyboard and for those who hear it. Its components are
// gradio's: every radio has a name of its own there, no group has one, and a fold does not say whether
// it is open.

/** Mends the form, and mends it again whenever gradio adds to it or opens a part of it. */
export function mend(form) {
  const all = () => {
    form.querySelectorAll("fieldset").forEach(group);
    form.querySelectorAll("button.label-wrap").forEach(fold);
  };
  new MutationObserver(all).observe(form, { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
  all();
}

let groups = 0;

/** Makes the radios of a question one group: Tab stops there once, arrow keys choose. */
function group(field) {
  field.dataset.group ??= `dv-group-${++groups}`;
  if (!field.hasAttribute("role")) field.setAttribute("role", "radiogroup");
  const title = field.querySelector("[data-testid=block-info]")?.textContent.trim();
  if (title && field.getAttribute("aria-label") !== title) field.setAttribute("aria-label", title);
  for (const radio of field.querySelectorAll("input[type=radio]")) if (radio.name !== field.dataset.group) radio.name = field.dataset.group;
}

function fold(button) {
  button.setAttribute("aria-expanded", String(button.classList.contains("open")));
}
