// @ts-check
/** Keeps the compiled form of a program for its next start. Load this file with `--import`. */
import module from 'node:module';
import { compileCache } from './locate.mjs';

module.enableCompileCache(compileCache(process.env));
