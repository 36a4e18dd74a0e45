"""What is asked: prompts, their templates, and how a reply is checked."""
