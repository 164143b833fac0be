"""The step `finetune`: its options, and how it is applied."""
