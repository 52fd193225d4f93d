"""The gateway's OpenAPI document, of its own paths alone."""

from __future__ import annotations

from typing import Any, Final

from .._version import __version__

_ERROR: Final[dict[str, Any]] = {
    "description": "An error in OpenAI's shape",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
_PUBLIC: Final[list[dict[str, list[str]]]] = [{}]


def document() -> dict[str, Any]:
    """The document."""
    chat = _chat()
    by_model = {**_chat("ChatRequestByPath"), "parameters": [_model_parameter()]}
    return {
        "openapi": "3.1.0",
        "info": {"title": "W&B Inference gateway", "version": __version__},
        "security": [{"bearer": []}],
        "paths": {
            "/v1/chat/completions": {"post": chat},
            "/chat/completions": {"post": chat},
            "/engines/{model}/chat/completions": {"post": by_model},
            "/openai/deployments/{model}/chat/completions": {"post": by_model},
            "/v1/models": {"get": _get("The models that the key may use")},
            "/models": {"get": _get("The models that the key may use")},
            "/v1/models/{model}": {"get": {**_get("One model"), "parameters": [_model_parameter()]}},
            "/model/info": {"get": _get("The models with their deployments")},
            "/health": {"get": _get("How the deployments are, from what was seen of them")},
            "/health/liveliness": {"get": _get("Whether the process answers", public=True)},
            "/health/liveness": {"get": _get("Whether the process answers", public=True)},
            "/health/readiness": {"get": _get("Whether it takes work; 503 while it stops", public=True)},
            "/metrics": {"get": _get("What was counted, for Prometheus", kind="text/plain")},
            "/openapi.json": {"get": _get("This document", public=True)},
            "/": {"get": _get("A page that says what this is", kind="text/html", public=True)},
        },
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Error": _error(),
                "ChatRequest": _request({"type": "string", "minLength": 1}, "model", "messages"),
                "ChatRequestByPath": _request(False, "messages"),
            },
        },
    }


def _get(summary: str, *, kind: str = "application/json", public: bool = False) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {"200": {"description": "It is", "content": {kind: {}}}, "default": _ERROR},
    }
    if public:
        operation["security"] = _PUBLIC
    return operation


def _chat(request: str = "ChatRequest") -> dict[str, Any]:
    return {
        "summary": "Asks a model",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{request}"}}},
        },
        "responses": {
            "200": {"description": "The answer", "content": {"application/json": {}, "text/event-stream": {}}},
            "default": _ERROR,
        },
    }


def _model_parameter() -> dict[str, Any]:
    return {"name": "model", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _request(model: dict[str, Any] | bool, *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": "As OpenAI's; what is not here is the service's to judge.",
        "required": [*required],
        "properties": {
            "model": model,
            "messages": {"type": "array", "minItems": 1, "items": {"type": "object"}},
            "stream": {"type": ["boolean", "null"]},
        },
    }


def _error() -> dict[str, Any]:
    text = {"type": ["string", "null"]}
    return {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "param", "code"],
                "properties": {"message": {"type": "string"}, "type": text, "param": text, "code": text},
            }
        },
    }
