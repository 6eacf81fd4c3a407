"""What tokens look at, and what tells them where they are."""
