import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '..');

/** The images, by the target of the Containerfile. */
export const images = ['operator', 'control-plane', 'tenant'] as const;
export type Image = (typeof images)[number];

/** Programs that are started by name, relative to the checkout. In the image they are JavaScript at the same path below /app. */
const started: Readonly<Record<Image, readonly string[]>> = {
  // The last two are run by `helm test` and by the pre-uninstall hook.
  operator: ['operator/main.ts', 'operator/smoke-test.ts', 'operator/uninstall-check.ts'],
  'control-plane': ['control-plane/main.ts'],
  tenant: ['templates/main.ts'],
};

/** The programs that an image must contain as separate files. */
export function programsOf(image: Image, checkout = root): readonly string[] {
  const programs = [...started[image], ...(image === 'tenant' ? stackPrograms(checkout) : [])];
  const missing = programs.filter((program) => !existsSync(join(checkout, program)));
  if (missing.length > 0) throw new Error(`image ${image}: there is no ${missing.join(', ')}; images/programs.ts lists it`);
  return programs;
}

/**
 * The programs of the stacks, which are the folders with a template. A stack is imported by its folder's name at run time, which a bundler
 * cannot follow.
 */
function stackPrograms(checkout: string): string[] {
  return readdirSync(join(checkout, 'templates'))
    .filter((folder) => existsSync(join(checkout, 'templates', folder, 'template.yaml')))
    .map((stack) => `templates/${stack}/program.ts`)
    .filter((program) => existsSync(join(checkout, program)))
    .sort();
}
