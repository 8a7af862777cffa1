// What a program in TypeScript does with the API: compiled against the types that its description gives.

import createClient from "openapi-fetch";

import type { components, paths } from "./generated";

const client = createClient<paths>({ baseUrl: "http://127.0.0.1:8000/v1", headers: { "X-API-Key": "key" } });

export async function recommend(user: number): Promise<string[]> {
  const { data, error, response } = await client.GET("/users/{user_id}/recommendations", {
    params: { path: { user_id: user }, query: { limit: 5, genre: ["Drama"], rank_by: "relevance" } },
  });
  if (error) throw new Error(`${error.code}: ${error.detail} (${response.headers.get("X-Request-ID")})`);
  return data.recommendations.map((entry: components["schemas"]["Recommendation"]) => entry.title);
}

export async function rate(user: number, movie: number, stars: number): Promise<number> {
  const { data } = await client.PUT("/users/{user_id}/ratings/{movie_id}", {
    params: { path: { user_id: user, movie_id: movie } },
    body: { stars },
  });
  return data?.rated_at ?? 0;
}

export async function allUsers(): Promise<number[]> {
  const ids: number[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const { data } = await client.GET("/users", { params: { query: { limit: 1000, cursor } } });
    ids.push(...(data?.users ?? []).map((user) => user.user_id));
    cursor = data?.next_cursor ?? null;
  }
  return ids;
}

export const stars = (user: number, movies: number[]) =>
  client.POST("/predict", { body: { user_id: user, movie_ids: movies } });

// What the API refuses does not compile.
// @ts-expect-error there is no such order
client.GET("/users/{user_id}/recommendations", { params: { path: { user_id: 1 }, query: { rank_by: "date" } } });
// @ts-expect-error stars are a number
client.PUT("/users/{user_id}/ratings/{movie_id}", { params: { path: { user_id: 1, movie_id: 1 } }, body: { stars: "4" } });
// @ts-expect-error there is no such path
client.GET("/user/{user_id}", { params: { path: { user_id: 1 } } });
