// Steps of the test that ask one question about one clip.

const SCALE = [
  [5, "5 Excellent"],
  [4, "4 Good"],
  [3, "3 Fair"],
  [2, "2 Poor"],
  [1, "1 Bad"],
];
const TONES = [
  [1, "1 the first"],
  [2, "2 the second"],
  [3, "3 the third"],
];

class Question {
  constructor(section, choices, say, fail) {
    this.section = section;
    this.fieldset = section.querySelector("fieldset");
    this.next = section.querySelector(".next");
    this.say = say;
    this.player = new Player(section.querySelector(".player"), say, fail);
    this.inputs = choices.map(([value, words]) => this.addChoice(value, words));
    this.next.addEventListener("click", () => this.finish());
    document.addEventListener("keydown", (event) => this.key(event));
  }

  addChoice(value, words) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "radio";
    input.name = this.section.id;
    input.value = String(value);
    input.addEventListener("change", () => {
      this.next.disabled = false;
    });
    label.append(input, words);
    this.fieldset.querySelector(".choices").append(label);
    return input;
  }

  ask(id, answered) {
    this.answered = answered;
    this.shown_ms = performance.now();
    this.fieldset.disabled = true;
    this.next.disabled = true;
    for (const input of this.inputs) input.checked = false;
    this.player.load(id, () => {
      this.fieldset.disabled = false;
      this.say("Heard. Choose an answer.");
    });
  }

  finish() {
    const chosen = this.inputs.find((input) => input.checked);
    if (chosen === undefined) return;
    const spent_s = (performance.now() - this.shown_ms) / 1000;
    this.answered(Number(chosen.value), this.player.plays, Math.round(10 * spent_s) / 10);
  }

  key(event) {
    if (this.section.hidden || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    const input = this.inputs.find((choice) => choice.value === event.key);
    if (input !== undefined && !this.fieldset.disabled) {
      input.focus();
      input.click();
    } else if (event.key.toLowerCase() === "p" && !this.player.button.disabled) {
      this.player.button.click();
    } else if (event.key === "Enter" && event.target.type === "radio" && !this.next.disabled) {
      event.preventDefault();
      this.next.click();
    }
  }
}
