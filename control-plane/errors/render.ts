import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { mediaType } from '../../problems/problem.ts';
import { problemOf } from './problem-of.ts';

/** Answers every failure with a problem document. */
export function renderErrors(app: FastifyInstance): void {
  app.setErrorHandler(answerError);
}

/** Also handles failures before routing: fastify's `frameworkErrors`. */

export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = problemOf(error, request.log);
  return reply
    .status(problem.status)
    .headers({ 'x-request-id': request.id, ...problem.headers })
    .type(`${mediaType}; charset=utf-8`)
    .serializer((body: unknown) => JSON.stringify(body))
    .send(problem.document(request.id));
}
