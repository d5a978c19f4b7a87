// @ts-check
/** Makes the program that is started with `--import` of this file keep its compiled form for the next start. */
import module from 'node:module';
import { compileCache } from './locate.mjs';

module.enableCompileCache(compileCache(process.env));
