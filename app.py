"""Start the chat app: settings → engine → store → UI → launch. A Space finds `demo` here."""
