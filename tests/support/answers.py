"""Answers of the service, made comparable."""

from typing import Any


def without_list_ids(answer: Any) -> Any:
    """The same without the ids of lists, of which every answer has new ones."""
    if isinstance(answer, dict):
        return {name: without_list_ids(value) for name, value in answer.items() if name != "recommendation_id"}
    return [without_list_ids(one) for one in answer] if isinstance(answer, list) else answer
