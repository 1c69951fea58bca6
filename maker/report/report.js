// The map is one Tab stop; the arrow keys move to the nearest picture in their direction.
const map = document.getElementById("map");
if (map) {
  const marks = [...map.querySelectorAll("button")];
  const position = (mark) => [parseFloat(mark.style.left) * 1.5, parseFloat(mark.style.top)];
  const choose = (mark) => marks.forEach((other) => (other.tabIndex = other === mark ? 0 : -1));
  choose(marks[0]);
  map.addEventListener("focusin", (event) => marks.includes(event.target) && choose(event.target));
  map.addEventListener("keydown", (event) => {
    const direction = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (!direction || !marks.includes(document.activeElement)) return;
    event.preventDefault();
    const [x, y] = position(document.activeElement);
    let best = null;
    let least = Infinity;
    for (const mark of marks) {
      const [dx, dy] = [position(mark)[0] - x, position(mark)[1] - y];
      const along = dx * direction[0] + dy * direction[1];
      const aside = Math.abs(dx * direction[1] + dy * direction[0]);
      if (along > 0 && along + 3 * aside < least) [best, least] = [mark, along + 3 * aside];
    }
    best?.focus();
  });
}
