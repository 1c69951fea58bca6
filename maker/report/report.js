// The map has one place in the order of Tab; the arrow keys go from picture to picture, to the nearest in their direction.
const map = document.getElementById("map");
if (map) {
  const marks = [...map.querySelectorAll("button")];
  const place = (mark) => [parseFloat(mark.style.left) * 1.5, parseFloat(mark.style.top)];
  const choose = (mark) => marks.forEach((other) => (other.tabIndex = other === mark ? 0 : -1));
  choose(marks[0]);
  map.addEventListener("focusin", (event) => marks.includes(event.target) && choose(event.target));
  map.addEventListener("keydown", (event) => {
    const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (!way || !marks.includes(document.activeElement)) return;
    event.preventDefault();
    const [x, y] = place(document.activeElement);
    let best = null;
    let least = Infinity;
    for (const mark of marks) {
      const [dx, dy] = [place(mark)[0] - x, place(mark)[1] - y];
      const along = dx * way[0] + dy * way[1];
      const aside = Math.abs(dx * way[1] + dy * way[0]);
      if (along > 0 && along + 3 * aside < least) [best, least] = [mark, along + 3 * aside];
    }
    best?.focus();
  });
}
