"""What the simulator is checked against: closed forms, real graphs, another simulator, its methods' own promises."""
