"""What the drop-ins for nats_bench and nas_201_api share: records, and where they come from."""
