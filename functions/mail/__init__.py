"""E-mail: how tasks ended, told to those who confirmed that they want to know."""
