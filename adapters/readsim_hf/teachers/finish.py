"""Why a server's reply ended, whatever words the server has for it."""

from typing import Literal

# ended    by the model itself: an end token belongs to it
# cut      at a limit: what is there is the beginning of a reply
# refused  what is there is no reply to train on: filtered, broken off, a call of a tool
End = Literal["ended", "cut", "refused"]

_ENDED = (
    "stop",  # OpenAI, vLLM, SGLang, llama.cpp, Ollama, TGI's chat, Mistral, Gemini
    *("eos", "word"),  # Together; llama.cpp's stop_type
    *("eos_token", "stop_sequence"),  # TGI; the second Anthropic's and Cohere's too
    *("end_turn", "stop_token", "complete"),  # Anthropic and Bedrock; Cohere
)
_CUT = (
    "length",  # OpenAI, vLLM, SGLang, TGI, Together, llama.cpp, Ollama
    *("limit", "model_length"),  # llama.cpp's stop_type; Mistral
    *("max_tokens", "model_context_window_exceeded"),  # Anthropic, Bedrock, Gemini
    *(
        "max_output_tokens",
        "error_limit",
        "not_finished",
    ),  # OpenAI's responses; Cohere; TensorRT-LLM
    *("repetition", "pause_turn"),  # vLLM's guard against endless repetition; Anthropic
)
_REFUSED = (
    *(
        "content_filter",
        "tool_calls",
        "function_call",
    ),  # OpenAI, Azure and those who speak like them
    *("abort", "error", "cancelled", "timeout"),  # vLLM, SGLang, TensorRT-LLM, OpenRouter
    *("load", "unload"),  # Ollama
    *("tool_use", "refusal"),  # Anthropic
    *("guardrail_intervened", "content_filtered"),  # Bedrock
    *("tool_call", "error_toxic", "user_cancel"),  # Cohere
    *("safety", "recitation", "language", "blocklist", "prohibited_content", "spii"),  # Gemini
    *("malformed_function_call", "unexpected_tool_call", "other"),
    "insufficient_system_resource",  # DeepSeek
)
WORDS: dict[str, End] = {
    **dict.fromkeys(_ENDED, "ended"),
    **dict.fromkeys(_CUT, "cut"),
    **dict.fromkeys(_REFUSED, "refused"),
}


def end_of_reply(word: str) -> End | None:
    """What a server's `finish_reason` means, in any case and with - or _; None for an unknown word."""
    return WORDS.get(word.strip().casefold().replace("-", "_"))
