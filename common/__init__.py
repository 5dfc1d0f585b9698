"""What every command and both packages share: start-up, files, progress."""
