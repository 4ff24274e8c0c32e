// One button by mouse, touch, keyboard or assistive technology: held while one speaks, or pressed shortly twice.

const HOLD_MS = 300; // what is let go sooner goes on until the next press
const KEYS = new Set([" ", "Enter"]);

/**
 * @param {HTMLButtonElement} button
 * @param {{isOn: () => boolean, start: () => void, stop: () => void}} talk what it switches
 */
export function pressToTalk(button, talk) {
  let pressedMs = null;
  let endsByPress = false;

  const press = () => {
    endsByPress = talk.isOn();
    pressedMs = performance.now();
    if (endsByPress) talk.stop();
    else talk.start();
  };
  const release = () => {
    if (pressedMs === null) return;
    const isHeld = performance.now() - pressedMs >= HOLD_MS;
    pressedMs = null;
    if (isHeld && !endsByPress) talk.stop();
  };

  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    button.setPointerCapture(event.pointerId);
    press();
  });
  button.addEventListener("pointerup", release);
  button.addEventListener("pointercancel", release);
  button.addEventListener("keydown", (event) => {
    if (!KEYS.has(event.key)) return;
    event.preventDefault();
    if (!event.repeat && pressedMs === null) press();
  });
  button.addEventListener("keyup", (event) => {
    if (!KEYS.has(event.key)) return;
    event.preventDefault();
    release();
  });
  button.addEventListener("blur", release);
  // Assistive technology clicks without a pointer or a key: such a click is a short press.
  button.addEventListener("click", (event) => {
    if (event.detail === 0) {
      press();
      pressedMs = null;
    }
  });
}
