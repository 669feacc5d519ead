// The form's native controls: their values for an estimate, and the marks that an answer leaves at them.
// Gradio calls `readmissionForm` before and after each estimate; everything else listens on the document, because
// Gradio draws the page after this script runs.
const readmissionForm = {
  controls: () => [...document.querySelectorAll('#form .field :is(input, select)')],

  values() {
    return Object.fromEntries(this.controls().map(control => [control.name, control.value]));
  },

  fill(texts) {
    for (const control of this.controls()) {
      if (control.name in texts) control.value = texts[control.name];
    }
    this.listCodes();
    return this.values();
  },

  clear(texts) {
    this.fill(texts);
    this.mark({problems: {}, values: {}, meanings: {}});
  },

  // Show an answer: errors at their fields, repaired values, names of diagnoses; after a refusal, move the focus to its
  // summary.
  mark({problems, values, meanings}) {
    for (const control of this.controls()) {
      const {name} = control, problem = problems[name] ?? '', hint = document.getElementById(`hint-${name}`);
      if (name in values) control.value = values[name];
      document.getElementById(`error-${name}`).textContent = problem;
      if (name in meanings) document.getElementById(`meaning-${name}`).textContent = meanings[name];
      control.closest('.field').classList.toggle('invalid', problem !== '');
      control.setAttribute('aria-invalid', problem !== '');
      const described = [hint?.id, problem && `error-${name}`].filter(Boolean).join(' ');
      if (described) control.setAttribute('aria-describedby', described);
      else control.removeAttribute('aria-describedby');
    }
  },

  reveal() {
    setTimeout(() => {
      if (innerWidth < 1000) document.querySelector('#answer').scrollIntoView({behavior: 'smooth', block: 'start'});
      const summary = document.querySelector('#answer .wrong');
      if (summary) { summary.tabIndex = -1; summary.focus(); }
    }, 100);
  },

  // Diagnoses are offered in the chosen code system.
  listCodes() {
    const system = document.getElementById('input-icd').value;
    for (const control of this.controls()) {
      if (control.getAttribute('list')?.startsWith('diagnoses-')) control.setAttribute('list', `diagnoses-${system}`);
      this.nameDiagnosis(control);
    }
  },

  // The name of a diagnosis stands below its code; codes that the list does not have are named by the answer.
  nameDiagnosis(control) {
    if (!control.getAttribute('list')?.startsWith('diagnoses-')) return;
    const option = [...control.list.options].find(o => o.value === control.value.trim());
    document.getElementById(`meaning-${control.name}`).textContent = option?.textContent ?? '';
  },
};

addEventListener('input', event => {
  if (!event.target.closest('#form .field')) return;
  document.querySelector('#answer .answer')?.classList.add('stale');
  if (event.target.id === 'input-icd') readmissionForm.listCodes();
  else readmissionForm.nameDiagnosis(event.target);
});
// A link of the summary leads to the input itself; Enter in an input estimates.
addEventListener('click', event => {
  const link = event.target.closest('#answer a[href^="#field-"]');
  const control = link && document.querySelector(`${link.hash} :is(input, select)`);
  if (control) { event.preventDefault(); control.focus(); }
});
addEventListener('keydown', event => {
  if (event.key === 'Enter' && event.target.matches('#form .field input')) document.querySelector('#estimate').click();
});
