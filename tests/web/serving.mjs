// Sites that the tests and the benchmark open, and the browser's flags.

import { spawn } from "node:child_process";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));

export const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--use-fake-device-for-media-stream",
];

/** That of Python programs, which find the packages in this checkout. */
export const environment = { ...process.env, PYTHONPATH: [process.env.PYTHONPATH, resolve(HERE, "../..")].filter(Boolean).join(":") };

const servers = new Set();
process.once("exit", () => servers.forEach((server) => server.kill())); // also where a test failed before it stopped its own

/** Serves a site with the server that `maker preview --serve` uses. */
export async function serverOf(python, site) {
  const server = spawn(python, [join(HERE, "fixtures.py"), "serve", site], { env: environment, stdio: ["ignore", "pipe", "inherit"] });
  servers.add(server);
  let said = "";
  for await (const piece of server.stdout) {
    said += piece;
    if (said.includes("\n")) break;
  }
  const stopped = new Promise((done) => server.once("exit", done));
  return {
    address: said.trim(),
    stop: async () => {
      server.kill();
      await stopped;
      servers.delete(server);
    },
  };
}
