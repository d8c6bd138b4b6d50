"""Who is asking, and may they? Owns accounts and sessions; hears nothing; says `user.registered`."""
