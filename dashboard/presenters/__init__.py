"""What templates show, as frozen dataclasses of texts and numbers: no queries, no HTML, no clock."""
