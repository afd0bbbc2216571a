import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LIBRARIES = ['protocol', 'client', 'realtime'];
const VERSIONS: Readonly<Record<string, string>> = {
  '@nestjs/common': '^12',
  '@nestjs/core': '^12',
  '@nestjs/jwt': '^12',
  '@nestjs/passport': '^12',
  '@nestjs/platform-express': '^12',
  '@nestjs/platform-ws': '^12',
  '@nestjs/websockets': '^12',
  '@types/node': '^24',
  '@types/passport-jwt': '^4',
  passport: '^0.7',
  'passport-jwt': '^4',
  'reflect-metadata': '^0.2',
  rxjs: '^7',
  typescript: '~6.0.3',
};

const TSCONFIG = {
  compilerOptions: {
    target: 'es2023',
    module: 'nodenext',
    strict: true,
    skipLibCheck: false,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
    types: ['node'],
    rootDir: 'src',
    outDir: 'dist',
  },
  include: ['src'],
};

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** Where the packages around the packed ones come from: the registry, as for a user, or this repository, which is quicker. */
export type Surroundings = 'registry' | 'repository';

/** A fresh Nest application in a folder of its own, with the packages as `npm pack` makes them. */
export class PackedApp {
  private constructor(readonly folder: string) {}

  static async create(surroundings: Surroundings): Promise<PackedApp> {
    const app = new PackedApp(await mkdtemp(join(tmpdir(), 'aerie-packed-')));
    await app.#write('package.json', JSON.stringify({ name: 'app', private: true, type: 'module' }));
    await app.#write('tsconfig.json', JSON.stringify(TSCONFIG));
    const tarballs = await app.#pack();
    if (surroundings === 'registry') await app.#install(tarballs);
    else await app.#unpack(tarballs);
    return app;
  }

  packageFolder(library: string): string {
    return join(this.folder, 'node_modules/@aerie', library);
  }

  /** Takes the files of a README: its blocks of TypeScript that begin with a file's name. */
  async takeFilesOf(library: string): Promise<readonly string[]> {
    const readme = await readFile(join(this.packageFolder(library), 'README.md'), 'utf8');
    const files = [...readme.matchAll(/```ts\n\/\/ (\S+\.ts)\n(.*?)```/gs)];
    for (const [, name = '', text = ''] of files) await this.#write(`src/${name}`, text);
    return files.map(([, name = '']) => name);
  }

  /** Compiles what was taken; resolves with the compiler's complaints, empty where there are none. */
  async compile(): Promise<string> {
    const compiler = join(this.folder, 'node_modules/typescript/bin/tsc');
    try {
      await run(process.execPath, [compiler, '-p', this.folder]);
      return '';
    } catch (error) {
      return String((error as { stdout?: unknown }).stdout);
    }
  }

  async write(name: string, text: string): Promise<void> {
    await this.#write(join('src', name), text);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  async #write(name: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.folder, name)), { recursive: true });
    await writeFile(join(this.folder, name), text);
  }

  /** The tarballs, by the name of their library. */
  async #pack(): Promise<ReadonlyMap<string, string>> {
    const workspaces = LIBRARIES.flatMap((library) => ['-w', `@aerie/${library}`]);
    const quiet = ['--silent', '--json', '--pack-destination', this.folder];
    const { stdout } = await run('npm', ['pack', ...quiet, ...workspaces], { cwd: ROOT, maxBuffer: 64e6 });
    const packed = Object.values(JSON.parse(stdout) as Record<string, { name: string; filename: string }>);
    return new Map(
      packed.map(({ name, filename }) => [name.replace('@aerie/', ''), join(this.folder, filename)]),
    );
  }

  async #install(tarballs: ReadonlyMap<string, string>): Promise<void> {
    const wanted = Object.entries(VERSIONS).map(([name, range]) => `${name}@${range}`);
    const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
    await run('npm', ['install', ...quiet, ...wanted, ...tarballs.values()], { cwd: this.folder });
  }

  // What a package doesn't name among its dependencies is not there: neither will it be for a user.
  async #unpack(tarballs: ReadonlyMap<string, string>): Promise<void> {
    const names = new Set(Object.keys(VERSIONS));
    for (const [library, tarball] of tarballs) {
      const target = this.packageFolder(library);
      await mkdir(target, { recursive: true });
      await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', target]);
      const { dependencies = {} } = JSON.parse(
        await readFile(join(target, 'package.json'), 'utf8'),
      ) as Manifest;
      for (const name of Object.keys(dependencies)) names.add(name);
    }
    for (const name of names) if (!name.startsWith('@aerie/')) await this.#link(name);
  }

  async #link(name: string): Promise<void> {
    const target = join(this.folder, 'node_modules', name);
    await mkdir(dirname(target), { recursive: true });
    await symlink(join(ROOT, 'node_modules', name), target);
  }
}
