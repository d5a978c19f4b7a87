/**
 * Prints how many tests of vitest's JSON report passed and failed. Appends the failed ones to one file, and the seconds that each file of
 * tests took to another: node .ci/count.mjs <report> <failures> <durations>
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';

const [, , report, failures, durations] = process.argv;
const shown = 1_500;

let run;
try {
  run = JSON.parse(readFileSync(report, 'utf8'));
} catch (error) {
  appendFileSync(failures, `FAILED without a report: ${error.message}\n`);
  run = { numPassedTests: 0, numFailedTests: 1, testResults: [] };
}
for (const file of run.testResults) {
  const seconds = (file.endTime - file.startTime) / 1000;
  appendFileSync(durations, `${seconds.toFixed(1).padStart(7)} s  ${relative('.', file.name)}\n`);
  const failed = file.assertionResults.filter((test) => test.status === 'failed');
  for (const test of failed)
    appendFileSync(failures, `FAILED ${file.name}: ${test.fullName}\n${test.failureMessages.join('\n').slice(0, shown)}\n`);
  if (file.status === 'failed' && failed.length === 0)
    appendFileSync(failures, `FAILED ${file.name}\n${String(file.message).slice(0, shown)}\n`);
}
console.log(run.numPassedTests, run.numFailedTests);
