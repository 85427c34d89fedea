# The workflow's phases as targets, e.g. `snakemake trained`; DVC's stages (dvc.yaml) run them one after the other.


rule prepared:
    input:
        rules.prepare_dataset.output,
        rules.prepare_photographs.output,


rule trained:
    input:
        rules.train_classifier.output,
        of_runs(rules.train_gan.output, row=ROWS),
        of_runs(rules.train_inpainting.output, inpainting_row=INPAINTING_ROWS),
        of_runs(rules.train_recall.output, recall_row=RECALL_ROWS),


rule generated:
    input:
        of_runs(rules.generate_samples.output, row=ROWS),
        of_runs(rules.complete_heldout.output, inpainting_row=INPAINTING_ROWS),
        rules.complete_controls.output,


rule evaluated:
    input:
        rules.extract_reference.output,
        of_runs(rules.evaluate_samples.output, row=ROWS),
        of_runs(rules.evaluate_completions.output, inpainting_row=INPAINTING_ROWS),
        expand(rules.evaluate_controls.output, control=CONTROL_ROWS),
        of_runs(rules.evaluate_recall.output, recall_row=RECALL_ROWS),
        rules.time_modules.output,
