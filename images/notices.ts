import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Licences whose conditions are met by including their text. Any other licence must be read by a person first. */
const passedOn = new Set(['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'BlueOak-1.0.0', 'Unlicense']);

interface Package {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly author?: string | { readonly name?: string };
}

/**
 * The licences of the packages that the modules belong to, as one text.
 * @throws Error naming the packages whose licence is not in the list.
 */
export function thirdPartyNotices(modules: readonly string[]): string {
  const folders = [...new Set(modules.flatMap((module) => packageFolder(module) ?? []))];
  const packages = folders
    .map((folder) => ({ folder, ...(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Package) }))
    .sort((a, b) => `${a.name}@${a.version}`.localeCompare(`${b.name}@${b.version}`, 'en'));
  const unknown = packages.filter(({ license }) => !isPassedOn(license));
  if (unknown.length > 0) {
    const list = unknown.map(({ name, version, license }) => `${name}@${version} (${license ?? 'none stated'})`).join(', ');
    throw new Error(`the licence of ${list} is not in the list of images/notices.ts: read it, then add it or leave the package out`);
  }
  const notices = packages.map(({ folder, name, version, license, author }) => {
    // A few packages contain no licence text. Their author is named instead.
    const text = textsOf(folder) || `By ${typeof author === 'object' ? author.name : author}\n`;
    return `${name} ${version}\nLicence: ${license}\n\n${text}`;
  });
  return `This image holds code of the following packages.\n\n${notices.join(`\n${'-'.repeat(80)}\n\n`)}`;
}

/** `OR` needs one accepted side, `AND` both. */
function isPassedOn(expression: string | undefined): boolean {
  if (typeof expression !== 'string') return false;
  return expression
    .replace(/[()]/g, '')
    .split(/ OR /)
    .some((choice) => choice.split(/ AND /).every((license) => passedOn.has(license.trim())));
}

/** The package folder of a module; undefined for the project's own modules. */
function packageFolder(module: string): string | undefined {
  return /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(module)?.[0];
}

function textsOf(folder: string): string {
  const files = readdirSync(folder).filter((name) => /^(licen[cs]e|notice|copying)/i.test(name));
  return files.map((file) => `${readFileSync(join(folder, file), 'utf8').trim()}\n`).join('\n');
}
