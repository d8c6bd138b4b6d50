"""Who is asking, and may they? Owns accounts and sessions; hears nothing; says who comes, goes, and does what."""
