import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '..');

/** The images, by the target of the Containerfile. */
export const images = ['operator', 'control-plane', 'tenant'] as const;
export type Image = (typeof images)[number];

/** Programs that somebody starts by name, relative to the checkout; in the image they lie below /app at the same place, as JavaScript. */
const started: Readonly<Record<Image, readonly string[]>> = {
  // Beside the operator: what `helm test` and the hook before an uninstall run.
  operator: ['operator/main.ts', 'operator/smoke-test.ts', 'operator/uninstall-check.ts'],
  'control-plane': ['control-plane/main.ts'],
  tenant: ['templates/main.ts'],
};

/** What an image has to hold as files of their own. */
export function programsOf(image: Image, checkout = root): readonly string[] {
  const programs = [...started[image], ...(image === 'tenant' ? stackPrograms(checkout) : [])];
  const missing = programs.filter((program) => !existsSync(join(checkout, program)));
  if (missing.length > 0) throw new Error(`image ${image}: there is no ${missing.join(', ')}; images/programs.ts lists it`);
  return programs;
}

/** Stacks are imported by the name of their folder at run time, which no bundler can follow. */
function stackPrograms(checkout: string): string[] {
  return readdirSync(join(checkout, 'templates'))
    .map((stack) => `templates/${stack}/program.ts`)
    .filter((program) => existsSync(join(checkout, program)))
    .sort();
}
