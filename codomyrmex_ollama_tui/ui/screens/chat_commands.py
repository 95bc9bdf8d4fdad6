"""The commands of the chat screen, in the order in which its key row shows them."""

from __future__ import annotations

from codomyrmex_ollama_tui.ui.commands import Command, Roster

COMMANDS: Roster = (
    Command("chat.stop", "escape", "stop", "Stop", "Stop the answer and keep what has come", show=True),
    Command("chat.pull", "f4", "pull_model", "Pull this model", "Pull the model of this conversation",
            show=True, short="pull it"),
    Command("chat.room", "f9", "make_room", "Make room", "Say what is to be done about a full context",
            show=True, short="make room"),
    Command("chat.continue", "c", "go_on", "Continue", "Let the model go on with an answer that has no end",
            show=True, short="continue"),
    Command("chat.new", "ctrl+n", "new_chat", "New chat", "Begin a new conversation with this model",
            show=True, short="new"),
    Command("chat.again", "ctrl+r", "again", "Ask again", "Ask for the last answer again; the old one stays beside it",
            show=True, short="again"),
    Command("chat.another", "ctrl+o", "ask_another", "Ask another model",
            "Ask other models the same; their answers stand beside the others", show=True, short="ask another"),
    Command("chat.model", "f3", "choose_model", "Choose a model", "Change the model of this conversation",
            show=True, short="model"),
    Command("chat.thinking", "ctrl+t", "thinking", "Thinking", "Fold or unfold what models thought", show=True),
    Command("chat.list", "ctrl+s", "conversations", "Conversations", "Go to the list of conversations",
            show=True, short="chats"),
    Command("chat.editor", "ctrl+g", "editor", "Open in the editor", "Write the prompt in $EDITOR",
            show=True, short="editor"),
    Command("chat.edit", "e", "edit", "Edit the question", "Ask in other words; the old ones stay beside them"),
    Command("chat.compare", "equals_sign", "compare", "Compare versions",
            "Put two versions side by side, and mark the words that differ"),
    Command("chat.earlier", "less_than_sign", "sibling(-1)", "Version before", "Show the version before this one"),
    Command("chat.later", "greater_than_sign", "sibling(1)", "Version after", "Show the version after this one"),
    Command("chat.options", "f2", "options", "Options", "See and change what this conversation is asked with"),
    Command("chat.preset", "", "options('preset')", "Choose a preset", "Several options at once, for this chat"),
    Command("chat.format", "", "options('format')", "Form of the answers", "Text, JSON, or JSON of a schema"),
    Command("chat.system", "", "system_prompt", "System prompt", "What is sent before every question of this chat"),
    *(
        Command(f"chat.think-{name}", "", f"think({value!r})", f"Think: {name}", "For a model that can, in this chat")
        for name, value in (("yes", True), ("no", False), ("low", "low"), ("medium", "medium"), ("high", "high"))
    ),
    Command("chat.prompts", "ctrl+l", "prompts", "Prompts sent before", "Search the prompts of all conversations"),
    Command("chat.attach", "", "attach", "Add a file", "Put a text file into the prompt"),
    Command("chat.find-here", "ctrl+f", "find_here", "Find here", "Find words in this conversation"),
    Command("chat.find", "", "find", "Search conversations", "Find words in titles, questions and answers"),
    Command("chat.export", "", "export('markdown')", "Export as Markdown", "Save what is shown of the conversation"),
    Command("chat.export-json", "", "export('json')", "Export as JSON", "Save the conversation with all its versions"),
    Command("chat.export-jsonl", "", "export('jsonl')", "Export as JSONL", "Save the conversation as one line of JSON"),
    Command("chat.import", "", "import", "Import conversations", "Take in conversations that were exported as JSON"),
    Command("chat.copy", "ctrl+c,super+c", "copy", "Copy", "Copy what is selected, else stop the answer",
            palette=False),
    Command("chat.back", "escape", "back", "Back", "One step back, in the end to the composer", palette=False),
)  # fmt: skip
