import { expect, test } from "vitest";
import { problemOf } from "./problems";

const refused = (status: number, headers: Record<string, string> = {}) => new Response(null, { status, headers });

test("a refusal is told in the service's sentence, written like one", () => {
  const problem = problemOf(refused(409), { code: "username_taken", detail: "this user name is taken" });
  expect(problem.message).toBe("This user name is taken.");
  expect(problem.isPassing).toBe(false);
});

test("what is wrong with a field stands at the field", () => {
  const errors = [{ pointer: "/body/password", detail: "too short" }];
  const problem = problemOf(refused(422), { code: "invalid_request", detail: "/body/password: too short", errors });
  expect(problem.fields).toEqual({ password: "Too short." });
  expect(problem.message).not.toContain("/body");
});

test("when to come back is read from seconds and from dates", () => {
  const before = Date.now();
  const soon = problemOf(refused(429, { "Retry-After": "3" }), null).retryAt ?? 0;
  expect(soon - before).toBeGreaterThanOrEqual(3000);
  const date = "Wed, 21 Oct 2026 07:28:00 GMT";
  expect(problemOf(refused(503, { "Retry-After": date }), null).retryAt).toBe(Date.parse(date));
});

test("an answer that is no problem document is one all the same", () => {
  const problem = problemOf(refused(502), "<html>");
  expect(problem.isPassing).toBe(true);
  expect(problem.message).toContain("try again");
});
