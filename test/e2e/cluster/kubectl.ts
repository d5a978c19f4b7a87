import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** The real kubectl, as cluster admin. */
export class Kubectl {
  readonly #program: string;
  readonly #kubeconfig: string;

  constructor(program: string, kubeconfig: string) {
    this.#program = program;
    this.#kubeconfig = kubeconfig;
  }

  /** @returns standard output. @throws Error with what kubectl said. */
  async run(args: readonly string[], input?: string): Promise<string> {
    const running = execute(this.#program, ['--kubeconfig', this.#kubeconfig, ...args], { maxBuffer: 64 << 20 });
    running.child.stdin?.end(input ?? '');
    try {
      return (await running).stdout;
    } catch (error) {
      const { stderr = '', message } = error as Error & { stderr?: string };
      throw new Error(`kubectl ${args.join(' ')}: ${stderr.trim() || message}`);
    }
  }

  async apply(objects: readonly object[]): Promise<void> {
    await this.run(['apply', '--server-side', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  }
}
